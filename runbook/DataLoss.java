package runbook;

/** What is known about lost data. A choice and no free text, so that the external message cannot name what it must not. */
public enum DataLoss {
    /** While it lasts, once something was done against it. */
    NOT_EXPECTED("No data loss is expected."),
    /** Nobody has looked, or counted, yet. */
    CHECKING("We are checking that no data was lost and will say so here."),
    /** Counted: nothing is missing. */
    NONE("No data was lost."),
    /** Counted: something is missing. */
    SOME("Some data was lost. We will contact the customers concerned.");

    private final String sentence;

    DataLoss(String sentence) {
        this.sentence = sentence;
    }

    /** The same for customers. */
    public String sentence() {
        return sentence;
    }
}
