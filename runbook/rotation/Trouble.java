package runbook.rotation;

/** Why something cannot be done: one line that is safe to print, and the command that mends it. */
public final class Trouble extends Exception {
    /** What kind of trouble it is; only {@link #DENIED} is told apart by the rotation itself. */
    enum Kind { MISSING_TOOL, NOT_LOGGED_IN, NOT_FOUND, DENIED, TIMED_OUT, FAILED, GARBLED, UNFIT }

    private final Kind kind;
    private final String mend;

    Trouble(Kind kind, String what, String mend) {
        super(what, null, false, false);
        this.kind = kind;
        this.mend = mend;
    }

    Kind kind() {
        return kind;
    }

    /** A command to paste, or words where no command helps; may be empty. */
    public String mend() {
        return mend;
    }
}
