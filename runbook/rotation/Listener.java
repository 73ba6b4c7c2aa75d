package runbook.rotation;

/** Is told how a rotation goes on, as it does. */
public interface Listener {
    /** An action has ended. */
    void ended(Step step);

    /** Something takes long, or is worth a line; safe to print. */
    void waiting(String words);
}
