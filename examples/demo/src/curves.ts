import { init } from 'echarts'
import type { ArmResult, CurvePoint, PolicyName } from './arm.js'

/** Told apart also by those who do not see all colours, and by their dashes (Okabe, Ito 2008). */
const styles: Record<PolicyName, { color: string; type: 'solid' | 'dashed' | 'dotted' }> = {
  full: { color: '#808080', type: 'solid' },
  random: { color: '#e69f00', type: 'dotted' },
  epsilon_greedy: { color: '#009e73', type: 'dashed' },
  ucb: { color: '#0072b2', type: 'solid' },
}

/** Readable on light and on dark ground. */
const ink = '#888'

/** Test accuracy against one axis, an arm a curve, as SVG. */
function drawCurves(
  arms: readonly ArmResult[],
  title: string,
  axis: { readonly name: string; readonly of: (point: CurvePoint) => number },
): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width: 720, height: 400 })
  const labels = {
    axisLabel: { color: ink },
    nameTextStyle: { color: ink },
    splitLine: { lineStyle: { color: '#8884' } },
  }
  chart.setOption({
    animation: false,
    title: { text: title, left: 'center', textStyle: { color: ink, fontSize: 15 } },
    legend: { bottom: 0, itemGap: 32, textStyle: { color: ink } },
    grid: { left: 60, right: 30, top: 45, bottom: 75 },
    xAxis: { type: 'value', name: axis.name, nameLocation: 'middle', nameGap: 28, ...labels },
    yAxis: {
      type: 'value',
      name: 'test accuracy, %',
      scale: true,
      min: ({ min }: { min: number }) => Math.floor(min),
      ...labels,
    },
    series: arms.map(({ policy, curve }) => ({
      type: 'line',
      name: policy,
      symbolSize: 5,
      itemStyle: { color: styles[policy].color },
      lineStyle: { ...styles[policy], width: 2 },
      data: curve.map((point) => [axis.of(point), Number((point.testAccuracy * 100).toFixed(2))]),
    })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}

export function drawAccuracyOverTime(arms: readonly ArmResult[]): string {
  return drawCurves(arms, 'Test accuracy over time', {
    name: 'seconds of training and sampler',
    of: ({ seconds }) => seconds,
  })
}

export function drawAccuracyOverSamples(arms: readonly ArmResult[]): string {
  return drawCurves(arms, 'Test accuracy over samples', {
    name: 'samples trained on',
    of: ({ samplesTrained }) => samplesTrained,
  })
}
