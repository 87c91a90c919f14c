/**
 * The pull that obeys credits: RxJS has no demand signal, so a source is asked only for a credit in the hand.
 *
 *   iterable ──ask──▶ [a credit] ──▶ project(item) ──▶ results, as they complete        credits out = credits back,
 *                          ▲                │                                           on completion, error and
 *                          └── its work ends┘                                           unsubscription alike
 *
 * A credit comes back when the work on its item has ended: when an inner observable completes or is unsubscribed, and when a promise
 * settles — a promise cannot be stopped, so what it works on stays taken although nobody listens any more.
 * Not here: the books of credits (ledger.ts), the order of results (in-order.ts), tile messages (actor/), arithmetic.
 */
import { Observable, Subscription, from, type ObservableInput } from 'rxjs';
import { InvalidConfig } from '../util/errors.js';
import type { Credits } from './ledger.js';

export { Credits } from './ledger.js';

/** What can be asked for one item at a time; it is never asked ahead of a credit. */
export type PullSource<T> = Iterable<T> | AsyncIterable<T>;

/** The work on one item: its results, and by its end the moment in which the credit goes back. */
export type Project<T, R> = (item: T, index: number) => PromiseLike<R> | ObservableInput<R>;

export interface PullOptions {
  /**
   * How far results may run ahead: item i is pulled only when every item up to i − reachMax has ended. With it, `inOrder` of that
   * capacity never overflows, however late one item is. No limit if left out.
   */
  readonly reachMax?: number;
}

const isPromiseLike = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

const iteratorOf = <T>(source: PullSource<T>): Iterator<T> | AsyncIterator<T> =>
  Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();

/** What a pull tells its subscriber. */
interface PullObserver<R> {
  next(result: R): void;
  error(error: unknown): void;
  complete(): void;
}

/** One subscription to a pull: the loop that acquires, pulls and starts work, and the books of what is in flight. */
class Pull<T, R> {
  readonly #credits: Credits;
  readonly #project: Project<T, R>;
  readonly #reachMax: number;
  readonly #iterator: Iterator<T> | AsyncIterator<T>;
  readonly #observer: PullObserver<R>;
  readonly #inner = new Subscription();
  readonly #stopped = new AbortController();
  /** Indices whose work has not ended, ascending by construction. */
  readonly #active = new Set<number>();
  /** Wakes the loop when work ends. */
  #wake: (() => void) | null = null;
  /** The source has ended or failed: it needs no closing. */
  #exhausted = false;

  constructor(source: PullSource<T>, credits: Credits, project: Project<T, R>, reachMax: number, observer: PullObserver<R>) {
    this.#credits = credits;
    this.#project = project;
    this.#reachMax = reachMax;
    this.#iterator = iteratorOf(source);
    this.#observer = observer;
  }

  /** Runs to the end of the source and of all work, or until it is stopped. Its outcome goes to the observer. */
  async run(): Promise<void> {
    for (let index = 0; !this.#over(); index++) {
      while (!this.#over() && index - this.#lowest(index) >= this.#reachMax) await this.#change();
      if (this.#over() || !(await this.#step(index))) break;
    }
    while (!this.#over() && this.#active.size > 0) await this.#change();
    if (!this.#over()) this.#observer.complete();
  }

  /** Ends everything that can be ended and closes the source. */
  stop(): void {
    if (this.#over()) return;
    this.#stopped.abort();
    this.#notify();
    this.#inner.unsubscribe();
    if (!this.#exhausted) void this.#iterator.return?.();
  }

  #over(): boolean {
    return this.#stopped.signal.aborted;
  }

  #lowest(otherwise: number): number {
    for (const index of this.#active) return index;
    return otherwise;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }

  /** The first failure ends the pull: everything is stopped, then the observer hears of it. */
  #fail(error: unknown): void {
    if (this.#over()) return;
    this.stop();
    this.#observer.error(error);
  }

  /** Pulls one item for one credit and starts its work. False: the source has ended, or the pull has. */
  async #step(index: number): Promise<boolean> {
    try {
      if (!this.#credits.tryAcquire()) await this.#credits.acquire(this.#stopped.signal);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    let owed = true;
    const giveBack = (): void => {
      if (owed) this.#credits.release();
      owed = false;
    };
    if (this.#over()) {
      giveBack();
      return false;
    }
    // While the source is asked, a stop gives the credit back at once: no work holds it yet.
    this.#stopped.signal.addEventListener('abort', giveBack);
    try {
      const asked = this.#iterator.next();
      const next = isPromiseLike(asked) ? await asked : asked;
      this.#stopped.signal.removeEventListener('abort', giveBack);
      if (next.done === true) this.#exhausted = true;
      else if (!this.#over()) {
        this.#start(next.value, index, giveBack);
        return true;
      }
      giveBack();
    } catch (error) {
      this.#stopped.signal.removeEventListener('abort', giveBack);
      this.#exhausted = true;
      giveBack();
      this.#fail(error);
    }
    return false;
  }

  #start(item: T, index: number, giveBack: () => void): void {
    this.#active.add(index);
    const end = (): void => {
      this.#active.delete(index);
      giveBack();
      this.#notify();
    };
    const fail = (error: unknown): void => {
      end();
      this.#fail(error);
    };
    const emit = (result: R): void => {
      if (!this.#over()) this.#observer.next(result);
    };
    let work: PromiseLike<R> | ObservableInput<R>;
    try {
      work = this.#project(item, index);
    } catch (error) {
      fail(error);
      return;
    }
    if (isPromiseLike(work)) {
      // The result leaves before its credit comes back: whoever gets it still owns the block.
      work.then((result) => {
        emit(result as R);
        end();
      }, fail);
      return;
    }
    const subscription = from(work).subscribe({ next: emit, error: fail, complete: end });
    subscription.add(end);
    this.#inner.add(subscription);
  }
}

/**
 * Pulls `source` as credits allow and emits the results of `project` in the order in which they complete. The source is asked for item i
 * only with a credit in the hand, and nothing is buffered. A source belongs to one subscription: a second one asks for its iterator anew.
 */
export const fromPull = <T, R>(source: PullSource<T>, credits: Credits, project: Project<T, R>, options: PullOptions = {}): Observable<R> => {
  const { reachMax = Number.POSITIVE_INFINITY } = options;
  if (!(reachMax >= 1)) throw new InvalidConfig({ what: 'reachMax of a pull', value: reachMax, limit: 'at least 1' });
  return new Observable((subscriber) => {
    const pull = new Pull(source, credits, project, reachMax, subscriber);
    subscriber.add(() => pull.stop());
    void pull.run();
  });
};

/** `fromPull` as the last part of a sentence: `withCredit(credits, send)(blocks)`. */
export const withCredit =
  <T, R>(credits: Credits, project: Project<T, R>, options: PullOptions = {}) =>
  (source: PullSource<T>): Observable<R> =>
    fromPull(source, credits, project, options);
