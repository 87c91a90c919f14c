/**
 * The benchmark runner: `node dist/benchmarks/run.js [name …] [--rounds=N]`.
 *
 *   names ─▶ one child process each ─▶ <name>.bench.js verifies, times, returns ─▶ printed and kept in results/
 *
 * Not here: what is measured (*.bench.ts), the table in the README (harness/readme.ts).
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peersFolder } from './harness/paths.js';
import { printOutcome, writeResult, type Outcome } from './harness/results.js';

export interface BenchOptions {
  readonly rounds: number;
}

const names = ['linear', 'step', 'scaling', 'messages', 'memory', 'transformers', 'attention', 'gpt2', 'generation', 'sparse', 'sparse-training', 'memoryx', 'store', 'plan', 'report', 'gpt2-xl'];
const roundsDefault = 9;

const installPeers = (): void => {
  if (existsSync(join(peersFolder, 'node_modules'))) return;
  console.log('installing the peers (benchmarks/peers), once');
  const done = spawnSync('npm', ['ci', '--prefix', peersFolder, '--no-audit', '--no-fund', '--ignore-scripts'], { stdio: 'inherit' });
  if (done.status !== 0) console.log('the peers could not be installed; they are skipped');
};

const runOne = async (name: string, options: BenchOptions): Promise<void> => {
  const bench = (await import(`./${name}.bench.js`)) as { readonly run: (options: BenchOptions) => Promise<Outcome> };
  const outcome = await bench.run(options);
  printOutcome(outcome);
  writeResult(name, outcome);
};

const main = async (args: readonly string[]): Promise<number> => {
  const rounds = Number(args.find((arg) => arg.startsWith('--rounds='))?.slice('--rounds='.length) ?? roundsDefault);
  const chosen = args.filter((arg) => !arg.startsWith('--'));
  const wrong = chosen.find((name) => !names.includes(name));
  if (wrong !== undefined || !Number.isInteger(rounds) || rounds < 1) {
    console.error(`usage: run [${names.join(' | ')}] … [--rounds=N]`);
    return 2;
  }
  if (args.includes('--child')) {
    for (const name of chosen) await runOne(name, { rounds });
    return 0;
  }
  installPeers();
  let failed = 0;
  for (const name of chosen.length === 0 ? names : chosen) {
    console.log(`\n${name}: Node ${process.versions.node}, ${rounds} rounds`);
    const done = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), '--child', `--rounds=${rounds}`, name], { stdio: 'inherit' });
    if (done.status !== 0) {
      console.error(`${name} failed`);
      failed++;
    }
  }
  return failed === 0 ? 0 : 1;
};

process.exitCode = await main(process.argv.slice(2));
