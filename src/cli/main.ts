#!/usr/bin/env node
/**
 * The command line: `waferstream train | generate | prune | inspect | check | verify | demo`. A user of the public door, like any other.
 *
 *   arguments ─▶ commands.ts, options.ts ─▶ setup/ (data, model, optimizer) ─▶ train.ts · generate.ts · … ─▶ exit.ts (one line, one code)
 *
 * Not here: anything that trains.
 */
import { Command, CommanderError } from 'commander';
import { InvalidConfig } from '../index.js';
import { check } from './check.js';
import { commandOptions } from './commands.js';
import { demo } from './demo.js';
import { runUntilSignal } from './exit.js';
import { generate } from './generate.js';
import { inspect } from './inspect.js';
import { addOptions, parseOptions, type Options } from './options.js';
import { prune } from './prune.js';
import { train } from './train.js';
import { verify } from './verify.js';
import { waferstreamVersion } from '../util/version.js';

type Action = (options: Options, signal: AbortSignal, file: string) => Promise<number>;
/** The word that a command takes beside its options. */
const argumentOf: Readonly<Partial<Record<keyof typeof commandOptions, readonly [name: string, help: string]>>> = {
  inspect: ['<path>', 'a .safetensors file, the index of several, or their folder; a checkpoint of a training, a folder of them; a store'],
  check: ['<path>', 'a checkpoint of a training, a folder of them, or a store'],
};

/** Parses and runs; gives the exit code. Commander's own refusals become InvalidConfig, so that all errors look alike. */
const run = async (argv: readonly string[], signal: AbortSignal): Promise<number> => {
  let exitCode = 0;
  const program = new Command('waferstream')
    .description('Trains and runs one neural network by weight streaming on an emulated cluster of wafer-scale computers.')
    .version(waferstreamVersion)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const add = (name: keyof typeof commandOptions, description: string, action: Action): void => {
    const command = program.command(name).description(description);
    const argument = argumentOf[name];
    if (argument !== undefined) command.argument(...argument);
    addOptions(command, commandOptions[name]);
    command.action(async () => {
      exitCode = await action(parseOptions(command.opts()), signal, command.args[0] ?? '');
    });
  };
  add('train', 'train a transformer or a byte model on text, or a classifier on IDX files', train);
  add('generate', 'go on from prompts with the weights of a checkpoint', generate);
  add('prune', 'makes the weights of a checkpoint sparse in one go, without training', prune);
  add('inspect', 'what a checkpoint or a store holds: names, types, shapes, sizes, sparsity, steps', (options, _, file) => inspect(options, file));
  add('check', 'every byte of checkpoints or a store against its checksum; lists what is damaged', check);
  add('verify', 'the same short run on many shapes and on the reference: same bits, or the first difference', verify);
  add('demo', 'about a minute: a small GPT learns the sources and documents of waferstream itself and writes some; proof of the same bits', demo);
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    const said = error.code === 'commander.help' ? 'no command given' : error.message.replace(/^error: /, '').replaceAll(/\s+/g, ' ').replace(/\.$/, '');
    throw new InvalidConfig({ what: said, hint: 'see waferstream --help' }, { cause: error });
  }
  return exitCode;
};

const argv = process.argv.slice(2);
await runUntilSignal((signal) => run(argv, signal), argv.includes('--json'));
