package runbook.rotation;

/**
 * What a command is about, for messages and for the commands that mend.
 *
 * @param name  the secret, service or unit
 * @param place options that say where it is, with a leading space each: {@code  --project=shop}; may be empty
 */
record Subject(String name, String place) {
    String into(String template) {
        return template.replace("{name}", name).replace("{place}", place);
    }
}
