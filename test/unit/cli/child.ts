/** The built command as a child process: what it says, and how it ends. It is never killed by these tests: it ends because nothing is left. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../../src/cli/main.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  readonly cwd?: string;
  /** Called at each line of stdout. */
  readonly onLine?: (line: string, child: ReturnType<typeof spawn>) => void;
}

export const waferstream = (args: readonly string[], options: ChildOptions = {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...(options.cwd === undefined ? {} : { cwd: options.cwd }) });
    let stderr = '';
    const stdout: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => {
      stdout.push(line);
      options.onLine?.(line, child);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout: stdout.join('\n'), stderr }));
  });

/** The JSON lines of a run. */
export const jsonLines = (ended: Ended): Record<string, unknown>[] => ended.stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
