package runbook.sandbox;

import java.util.List;

/**
 * How the API behaves over time.
 *
 * @param phases in order; the first starts at 0
 */
record Schedule(List<Phase> phases) {
    /**
     * One stretch of it.
     *
     * @param fromSecond seconds after the scenario began
     */
    record Phase(int fromSecond, ApiFault fault) { }

    /** The same for as long as the scenario lasts. */
    static Schedule always(ApiFault fault) {
        return new Schedule(List.of(new Phase(0, fault)));
    }

    /** Fails at the even ones of these seconds and heals at the odd ones, starting with a failure at 0. */
    static Schedule alternating(ApiFault fault, int... changes) {
        List<Phase> phases = new java.util.ArrayList<>(List.of(new Phase(0, fault)));
        for (int i = 0; i < changes.length; i++) {
            phases.add(new Phase(changes[i], i % 2 == 0 ? ApiFault.NONE : fault));
        }
        return new Schedule(List.copyOf(phases));
    }

    /** The fault in force at a moment; before the scenario began, its first. */
    ApiFault at(long millis) {
        ApiFault fault = phases.get(0).fault();
        for (Phase phase : phases) {
            if (phase.fromSecond() * 1000L <= millis) {
                fault = phase.fault();
            }
        }
        return fault;
    }
}
