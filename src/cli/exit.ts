/**
 * Leaving: every end of the command has one exit code and, if it failed, one line on stderr; with --json also one object on stdout, the last there.
 *
 *   0 done · 1 failed · 78 a setting that cannot be (EX_CONFIG) · 130 Ctrl-C · 143 terminated · 141 nobody reads the output
 *
 * The process is not killed: it ends because nothing is left. A second Ctrl-C ends it at once, unless it comes so soon that it is the first one
 * again: a terminal and a wrapper such as npm may both pass it on. Not here: what is run.
 */
import { DoesNotFit, InvalidConfig, InvalidModel, NotEmulated } from '../index.js';
import { nowMs } from '../util/clock.js';
import { errorBody, errorJson } from './json/error.js';
import { sayJson } from './json/say.js';

const sameSignalMs = 500;
const settings = [InvalidConfig, InvalidModel, DoesNotFit, NotEmulated];

/** Why a run was stopped from outside. */
export class Stopped extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

export const exitCodeOf = (error: unknown): number =>
  error instanceof Stopped ? error.exitCode : settings.some((kind) => error instanceof kind) ? 78 : 1;

/** One line, whatever was thrown. */
export const lineOf = (error: unknown): string => {
  const message = error instanceof Error && error.message !== '' ? error.message : String(error);
  return `waferstream: ${message.replaceAll(/\s*\n\s*/g, '; ')}`;
};

/** Runs `body` to its exit code. Signals abort it; what it then throws is taken for the signal's doing. `isJson`: programs read stdout. */
export const runUntilSignal = async (body: (signal: AbortSignal) => Promise<number>, isJson: boolean): Promise<void> => {
  let isRead = true;
  const complain = (error: unknown): void => {
    const line = lineOf(error);
    if (isJson && isRead) sayJson(errorJson, errorBody(error, line.replace(/^waferstream: /, ''), exitCodeOf(error)));
    process.stderr.write(`${line}\n`);
  };
  const controller = new AbortController();
  let stoppedMs = Infinity;
  const stop = (reason: Stopped): void => {
    if (nowMs() - stoppedMs > sameSignalMs) process.exit(reason.exitCode);
    stoppedMs = Math.min(stoppedMs, nowMs());
    controller.abort(reason);
  };
  process.on('SIGINT', () => stop(new Stopped('interrupted', 130)));
  process.on('SIGTERM', () => stop(new Stopped('terminated', 143)));
  process.on('uncaughtException', (error) => {
    complain(error);
    process.exit(exitCodeOf(error));
  });
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    isRead = false;
    if (!controller.signal.aborted) controller.abort(error.code === 'EPIPE' ? new Stopped('nobody reads the output', 141) : error);
  });
  try {
    process.exitCode = await body(controller.signal);
  } catch (error) {
    const cause: unknown = controller.signal.aborted ? controller.signal.reason : error;
    complain(cause);
    process.exitCode = exitCodeOf(cause);
  }
};
