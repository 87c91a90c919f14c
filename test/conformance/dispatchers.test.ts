/** Runs the dispatcher suites on both dispatchers. Not here: the suites themselves (dispatcher-suite.ts, host-trace-suite.ts). */
import { startLocalSystem } from '../../src/actor/local/dispatcher.js';
import { startThreadSystem } from '../../src/actor/thread/dispatcher.js';
import { runDispatcherSuite } from './dispatcher-suite.js';
import { runHostTraceSuite } from './host-trace-suite.js';

runDispatcherSuite({ name: 'local', make: startLocalSystem });
runDispatcherSuite({
  name: 'thread',
  make: startThreadSystem,
  skip: [{ reason: 'on worker threads the order between actors is the operating system\'s', tests: ['replays a schedule'] }],
});
runHostTraceSuite({ name: 'local', make: startLocalSystem });
runHostTraceSuite({ name: 'thread', make: startThreadSystem });
