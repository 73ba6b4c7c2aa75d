package runbook.rotation;

import runbook.rotation.Step.Outcome;

/** How an action ended, and what it found, in one line. */
record Done(Outcome outcome, String detail) {
    static Done ok(String detail) {
        return new Done(Outcome.OK, detail);
    }

    static Done warn(String detail) {
        return new Done(Outcome.WARN, detail);
    }

    static Done skipped(String detail) {
        return new Done(Outcome.SKIPPED, detail);
    }
}
