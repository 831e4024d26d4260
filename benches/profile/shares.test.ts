import type { Profiler } from 'node:inspector'
import { expect, it } from 'vitest'
import { sharesOf } from './shares.js'

const node = (id: number, functionName: string, url = '', children: number[] = []): Profiler.ProfileNode => ({
  id,
  callFrame: { functionName, url, scriptId: '0', lineNumber: 0, columnNumber: 0 },
  children,
})

it('gives time to the innermost frame that has a name, and leaves idle time out', () => {
  const nodes = [
    node(1, '(root)', '', [2, 5, 6]),
    node(2, 'serve', 'file:///grpc.js', [3]),
    node(3, 'check', 'file:///check.js', [4]),
    node(4, 'indexOf'),
    node(5, '(idle)'),
    node(6, 'runMicrotasks'),
  ]
  const profile = {
    nodes,
    startTime: 0,
    endTime: 0,
    samples: [2, 3, 4, 5, 6, 4],
    timeDeltas: [1, 2, 4, 8, 16, 32].map((ms) => ms * 1000),
  }
  const nameOf = (_: string, url: string) => ({ 'file:///grpc.js': 'gRPC', 'file:///check.js': 'check' })[url]
  expect(sharesOf(profile, nameOf, 'Node')).toEqual({ gRPC: 1, check: 38, Node: 16 })
})
