declare module 'fs-native-extensions' {
  /** Takes the exclusive lock on a file that is open for writing; false if another descriptor has it. It ends when the descriptor is closed. */
  export function tryLock(descriptor: number): boolean
}
