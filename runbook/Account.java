package runbook;


/**
 * One account of a fleet, and where its private key is; what is not given is null.
 *
 * @param name    what people call it
 * @param env     an environment variable
 * @param file    a file
 * @param command a command that prints it
 */
public record Account(String name, String env, String file, String command) {
    /** The option that has triage read this account's key, to be pasted into a shell. A command is not shown: it may hold secrets. */
    public String keyOption() {
        return file != null ? "--key-file " + Text.word(file)
                : "--key-command " + (env != null ? Text.word("printenv " + env) : "COMMAND");
    }
}
