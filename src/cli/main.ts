#!/usr/bin/env node
/**
 * The command line: `waferstream train | verify | demo`. A user of the public door, like any other.
 *
 *   arguments ─▶ options.ts ─▶ setup.ts (data, model, optimizer) ─▶ train.ts · verify.ts · demo.ts ─▶ exit.ts (one line, one code)
 *
 * Not here: anything that trains.
 */
import { Command, CommanderError } from 'commander';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InvalidConfig } from '../index.js';
import { demo } from './demo.js';
import { runUntilSignal } from './exit.js';
import { addOptions, parseOptions, type OptionName, type Options } from './options.js';
import { packageRoot } from './package-root.js';
import { train } from './train.js';
import { verify } from './verify.js';

type Action = (options: Options, signal: AbortSignal) => Promise<number>;

const version = async (): Promise<string> => {
  const manifest: unknown = JSON.parse(await readFile(join(await packageRoot(), 'package.json'), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : 'unknown';
};

/** Parses and runs; gives the exit code. Commander's own refusals become InvalidConfig, so that all errors look alike. */
const run = async (argv: readonly string[], signal: AbortSignal): Promise<number> => {
  let exitCode = 0;
  const program = new Command('waferstream')
    .description('Trains one neural network by weight streaming on an emulated cluster of wafer-scale computers.')
    .version(await version())
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  const add = (name: string, description: string, action: Action, leftOut: readonly OptionName[] = []): void => {
    const command = program.command(name).description(description);
    addOptions(command, leftOut);
    command.action(async () => {
      exitCode = await action(parseOptions(command.opts()), signal);
    });
  };
  add('train', 'train a byte model on text, or a classifier on IDX files', train);
  add('verify', 'the same short run on many shapes and on the reference: same bits, or the first difference', verify, ['dispatcher', 'threads', 'kernels']);
  add('demo', 'about a minute of training on the sources and documents of waferstream itself, and the proof of the same bits', demo, [
    'data', 'images', 'labels', 'model', 'optimizer', 'momentum', 'nesterov', 'weightDecay', 'schedule', 'warmupSteps', 'dispatcher', 'kernels',
  ]);
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

await runUntilSignal((signal) => run(process.argv.slice(2), signal));
