#!/usr/bin/env node
import { runTrainCommand } from './command/train-command.js'

process.exitCode = await runTrainCommand(process.argv.slice(2))
