import { RANDOM, RANDOM_END } from './scratch'

const ROUNDS = 10

/** The low or the high halves of the four u64 products in a (lanes 0, 1) and b (lanes 2, 3). */
// @ts-ignore: a decorator of AssemblyScript
@inline
function lowHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 0, 2, 4, 6)
}

// @ts-ignore: a decorator of AssemblyScript
@inline
function highHalves(a: v128, b: v128): v128 {
  return v128.shuffle<u32>(a, b, 1, 3, 5, 7)
}

/** Stores four blocks one after another: word w of each is in the lanes of xw. */
// @ts-ignore: a decorator of AssemblyScript
@inline
function storeBlocks(output: usize, x0: v128, x1: v128, x2: v128, x3: v128): void {
  const low01 = v128.shuffle<u32>(x0, x1, 0, 4, 1, 5)
  const high01 = v128.shuffle<u32>(x0, x1, 2, 6, 3, 7)
  const low23 = v128.shuffle<u32>(x2, x3, 0, 4, 1, 5)
  const high23 = v128.shuffle<u32>(x2, x3, 2, 6, 3, 7)
  v128.store(output, v128.shuffle<u64>(low01, low23, 0, 2))
  v128.store(output, v128.shuffle<u64>(low01, low23, 1, 3), 16)
  v128.store(output, v128.shuffle<u64>(high01, high23, 0, 2), 32)
  v128.store(output, v128.shuffle<u64>(high01, high23, 1, 3), 48)
}

/**
 * Fills RANDOM with the Philox4x32-10 blocks from `block` on, four at a time: word w of four blocks in the lanes of xw.
 * The twin is `philox4x32` in core/random/random-stream.ts, which has the source.
 */
export function fillRandom(block: u32, key0: u32, key1: u32, epoch: u32, purpose: u32): void {
  const multiplier0 = i32x4.splat(0xd2511f53)
  const multiplier1 = i32x4.splat(0xcd9e8d57)
  const weyl0 = i32x4.splat(0x9e3779b9)
  const weyl1 = i32x4.splat(0xbb67ae85)
  for (let output = RANDOM; output < RANDOM_END; output += 128, block += 8) {
    let x0 = i32x4.add(i32x4.splat(block), i32x4(0, 1, 2, 3))
    let x1 = i32x4.splat(epoch)
    let x2 = i32x4.splat(purpose)
    let x3 = i32x4.splat(0)
    let y0 = i32x4.add(i32x4.splat(block), i32x4(4, 5, 6, 7))
    let y1 = x1
    let y2 = x2
    let y3 = x3
    let k0 = i32x4.splat(key0)
    let k1 = i32x4.splat(key1)
    for (let round = 0; round < ROUNDS; round++) {
      const a0 = i64x2.extmul_low_i32x4_u(x0, multiplier0)
      const b0 = i64x2.extmul_high_i32x4_u(x0, multiplier0)
      const a1 = i64x2.extmul_low_i32x4_u(x2, multiplier1)
      const b1 = i64x2.extmul_high_i32x4_u(x2, multiplier1)
      const c0 = i64x2.extmul_low_i32x4_u(y0, multiplier0)
      const d0 = i64x2.extmul_high_i32x4_u(y0, multiplier0)
      const c1 = i64x2.extmul_low_i32x4_u(y2, multiplier1)
      const d1 = i64x2.extmul_high_i32x4_u(y2, multiplier1)
      x0 = v128.xor(v128.xor(highHalves(a1, b1), x1), k0)
      x1 = lowHalves(a1, b1)
      x2 = v128.xor(v128.xor(highHalves(a0, b0), x3), k1)
      x3 = lowHalves(a0, b0)
      y0 = v128.xor(v128.xor(highHalves(c1, d1), y1), k0)
      y1 = lowHalves(c1, d1)
      y2 = v128.xor(v128.xor(highHalves(c0, d0), y3), k1)
      y3 = lowHalves(c0, d0)
      k0 = i32x4.add(k0, weyl0)
      k1 = i32x4.add(k1, weyl1)
    }
    storeBlocks(output, x0, x1, x2, x3)
    storeBlocks(output + 64, y0, y1, y2, y3)
  }
}
