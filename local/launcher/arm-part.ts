import { armFaultSchema, isOwnFault } from '../arm/faults';
import { type Arm } from '../arm/start';
import { type ControlledPart } from './control';

/** Azure Resource Manager as tests and demos control it from outside. */
export function armPart(arm: Arm): ControlledPart {
  return {
    setFaults(faults) {
      const understood = faults.map((fault) => armFaultSchema.parse(fault));
      arm.faults.clear();
      arm.armFaults.clear();
      for (const fault of understood) {
        if (isOwnFault(fault)) arm.armFaults.add(fault);
        else arm.faults.add(fault);
      }
    },
    waitingFaults: () => [...arm.faults.waiting(), ...arm.armFaults.waiting()],
    actions: arm.control,
    counters: () => arm.counters(),
    resetCounters: () => arm.resetCounters(),
  };
}
