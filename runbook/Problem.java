package runbook;

/**
 * Something that the person at the keyboard can mend: its message is one line that says what to change,
 * and is safe to print. Scripts end with its exit code.
 */
public class Problem extends RuntimeException {
    /** Wrong usage (DESIGN: exit code 2). */
    public static final int USAGE = 2;
    private final int exitCode;

    /** A problem with the usage, exit code 2. */
    public Problem(String message) {
        this(USAGE, message);
    }

    /** A problem that ends the script with an exit code of its own. */
    public Problem(int exitCode, String message) {
        super(message, null, false, false);
        this.exitCode = exitCode;
    }

    /** The exit code that the script ends with. */
    public int exitCode() {
        return exitCode;
    }
}
