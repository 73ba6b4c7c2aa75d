package runbook.rotation;

/** The one short word by which a restart is told from the next. */
final class Marks {
    private Marks() { }

    /** What a command prints, which has to look like a mark. */
    static String of(Tool tool, Command command, Subject subject, String form) throws Trouble {
        String mark = tool.run(command, subject).out().strip();
        if (!mark.matches(form)) {
            throw SecretStore.garbled(command);
        }
        return mark;
    }
}
