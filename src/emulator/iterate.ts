/** An Observable as an async iterator: what came early waits, an error is thrown, leaving unsubscribes. Not here: what is observed (run.ts, generate.ts). */
import type { Observable } from 'rxjs';

export async function* iterate<T>(source: Observable<T>): AsyncGenerator<T, void, undefined> {
  const queue: T[] = [];
  let ended = false;
  let failure: { readonly error: unknown } | null = null;
  let wake = (): void => {};
  const subscription = source.subscribe({
    next: (value) => {
      queue.push(value);
      wake();
    },
    error: (error: unknown) => {
      failure = { error };
      wake();
    },
    complete: () => {
      ended = true;
      wake();
    },
  });
  try {
    for (;;) {
      while (queue.length > 0) yield queue.shift() as T;
      if (failure !== null) throw (failure as { readonly error: unknown }).error;
      if (ended) return;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    subscription.unsubscribe();
  }
}
