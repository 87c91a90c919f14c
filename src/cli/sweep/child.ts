/** A child of a sweep: answers questions until its parent is gone. Not here: what a point is (evaluate.ts). */
import { lineOf } from '../exit.js';
import { answerTo, type Answer, type Question } from './lanes.js';

const send = (answer: Answer): void => void process.send?.(answer);

// A terminal passes Ctrl-C to children too; the parent decides when they end.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
process.on('disconnect', () => process.exit(0));
process.on('message', (question: Question) => {
  answerTo(question).then((results) => send({ results }), (error: unknown) => send({ failure: lineOf(error).replace(/^waferstream: /, '') }));
});
