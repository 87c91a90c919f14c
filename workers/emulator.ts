/** Worker entry: a whole emulated cluster as a service over comlink. Not here: any logic (src/emulator/service.ts). */
import { serve } from '../src/actor/thread/service.js';
import { emulatorService } from '../src/emulator/service.js';

serve(emulatorService());
