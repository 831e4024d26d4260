import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { DockerfileParser, type Instruction } from 'dockerfile-ast'

export const root = fileURLToPath(new URL('../..', import.meta.url))
export const dockerfile = readFileSync(`${root}Dockerfile`, 'utf8')

/** One FROM of the Dockerfile and what follows it. */
export interface Stage {
  readonly name: string
  /** The image or the stage that it starts from. */
  readonly base: string
  readonly instructions: readonly Instruction[]
}

/** The stages of the Dockerfile, in its order: the last one is what is built when no target is named. */
export function readStages(): Stage[] {
  const stages: { name: string; base: string; instructions: Instruction[] }[] = []
  for (const instruction of DockerfileParser.parse(dockerfile).getInstructions()) {
    if (instruction.getKeyword() === 'FROM') {
      const [base, , name] = instruction.getArguments().map((argument) => argument.getValue())
      stages.push({ name: name ?? '', base: base ?? '', instructions: [] })
    } else {
      stages.at(-1)?.instructions.push(instruction)
    }
  }
  return stages
}

/** The arguments of a stage's instruction, without its flags; undefined where the stage has none. */
export function argumentsOf(stage: Stage, keyword: string): string[] | undefined {
  const instruction = stage.instructions.findLast((instruction) => instruction.getKeyword() === keyword)
  return instruction?.getArguments().map((argument) => argument.getValue())
}

/** The command of an instruction in exec form: ENTRYPOINT ["node", …]. Throws for a shell form. */
export function commandOf(stage: Stage, keyword: 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK'): string[] {
  const instruction = stage.instructions.findLast((instruction) => instruction.getKeyword() === keyword)
  const text = instruction?.getRawArgumentsContent() ?? ''
  const command: unknown = JSON.parse(text.slice(text.indexOf('[')))
  return (command as string[]).map(String)
}

/** The environment that a stage sets. */
export function environmentOf(stage: Stage): Record<string, string> {
  const settings = stage.instructions
    .filter((instruction) => instruction.getKeyword() === 'ENV')
    .flatMap((instruction) => instruction.getArguments().map((argument) => argument.getValue()))
  return Object.fromEntries(
    settings.map((setting) => [setting.slice(0, setting.indexOf('=')), setting.slice(setting.indexOf('=') + 1)]),
  )
}
