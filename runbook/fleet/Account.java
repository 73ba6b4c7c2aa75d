package runbook.fleet;

/**
 * One account of a fleet, and where its private key is; what is not given is null.
 *
 * @param name    what people call it
 * @param env     an environment variable
 * @param file    a file
 * @param command a command that prints it
 */
public record Account(String name, String env, String file, String command) { }
