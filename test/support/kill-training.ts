/**
 * A process that trains with a flash store and is made to be killed: what it has acknowledged stands on its standard output, written before it goes on.
 *
 *   arguments: the case as JSON ─▶ "begun" · "step <n>" … · "done <digest>"          who kills it: laws/kill.test.ts, kill-many.ts
 */
import { writeSync } from 'node:fs';
import { kind, type KillCase } from './kill-cases.js';
import { Cluster } from '../../src/index.js';

const { training, memoryX, cluster, resume }: KillCase = JSON.parse(process.argv[2] as string) as KillCase;
const say = (line: string): void => void writeSync(1, `${line}\n`);
const { model, options } = kind(training);
await using started = await Cluster.start({ ...cluster, memoryX });
const run = started.train(model, { ...options, ...(resume === null ? {} : { resume }) });
say('begun');
run.steps$.subscribe({ next: ({ step }) => say(`step ${step + 1}`), error: () => {} });
say(`done ${(await run.finished).record.weightsDigest}`);
