/** Runs the dispatcher suite on both dispatchers. Not here: the suite itself (dispatcher-suite.ts). */
import { startLocalSystem } from '../../src/actor/local/dispatcher.js';
import { startThreadSystem } from '../../src/actor/thread/dispatcher.js';
import { runDispatcherSuite } from './dispatcher-suite.js';

runDispatcherSuite({ name: 'local', make: startLocalSystem });
runDispatcherSuite({
  name: 'thread',
  make: startThreadSystem,
  skip: [{ reason: 'on worker threads the order between actors is the operating system\'s', tests: ['replays a schedule'] }],
});
