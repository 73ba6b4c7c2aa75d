package runbook.rotation;

/** Is told how a rotation goes on, as it does. */
public interface Listener {
    /** An action of this step (as in {@link Step#name}) begins. */
    void began(String step);

    /** An action has ended. */
    void ended(Step step);

    /** Something takes long, or is worth a line; safe to print. */
    void waiting(String words);
}
