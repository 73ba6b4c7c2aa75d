package runbook.bundle;

import java.util.List;
import runbook.redact.Redactor.Tally;

/**
 * One file of the archive in the making.
 *
 * @param path      its name in the archive
 * @param collector who gave it
 * @param origin    where it comes from
 * @param part      its content
 * @param tally     what was redacted in it
 * @param notes     what there is to say about it: truncated, changed while read, …
 */
record Item(String path, String collector, Origin origin, Part part, Tally tally, List<String> notes) {
    /**
     * Where an item comes from.
     *
     * @param command  the command line, redacted; empty when it was no command
     * @param exitCode of the command, or null
     * @param stderr   the beginning of its standard error, redacted
     * @param millis   how long it took
     */
    record Origin(List<String> command, Integer exitCode, String stderr, long millis) {
        static Origin none(long millis) {
            return new Origin(List.of(), null, "", millis);
        }
    }
}
