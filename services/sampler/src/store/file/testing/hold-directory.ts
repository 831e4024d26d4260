import { lockDirectory } from '../directory-lock.js'

/** Holds the directory that it is given until its standard input ends or the process is killed. */
try {
  await lockDirectory(process.argv[2] as string)
  process.stdout.write('held\n')
  process.stdin.on('end', () => process.exit(0)).resume()
} catch (error) {
  process.stdout.write(`${(error as Error).message}\n`)
  process.exit(1)
}
