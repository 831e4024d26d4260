import { isSameSpec } from './check-same-spec.js'
import { ByteReader } from './image/byte-reader.js'
import { ImageError } from './image/image-error.js'
import type { ImageHeader } from './image/image-header.js'
import { readImageBody, readImageHeader } from './image/read-image.js'
import { imageOf } from './image/write-image.js'
import type { ByteStream } from './ports.js'
import type { Run } from './run.js'

/** The run as it was at the start of an epoch, in the generation after its present one. `image` is that of the epoch's start; undefined: the run stands there now. */
export async function rewoundRun(run: Run, image: ByteStream | undefined, epoch: number, time: number): Promise<Run> {
  const reader = new ByteReader(image ?? imageOf(run))
  try {
    const header = await readImageHeader(reader)
    if (header.runId !== run.runId || !isSameSpec(header.spec, run.spec)) {
      throw new ImageError(`it is of run "${header.runId}", or of one with other settings`)
    }
    const rewound = await readImageBody(reader, header, (read) => rewind(read, run.generation + 1, epoch, time))
    await reader.expectEnd()
    if (rewound.nextEpoch !== epoch) throw new ImageError(`it is of epoch ${rewound.nextEpoch} instead of ${epoch}`)
    return rewound
  } finally {
    await reader.close()
  }
}

function rewind(header: ImageHeader, generation: number, epoch: number, time: number): ImageHeader {
  return { ...header, state: { ...header.state, generation, rewoundTo: epoch, isFinished: false, updateTime: time } }
}
