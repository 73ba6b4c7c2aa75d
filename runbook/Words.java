package runbook;

/**
 * How one diagnosis is put into words before anybody knows more. The first three are for colleagues; the last two
 * are for customers, and therefore name no cause, host, account or person.
 *
 * @param impact    what users experience
 * @param rootCause the cause as triage sees it
 * @param action    what usually helps, as something to do
 * @param customers what customers notice
 * @param queued    what happens to their data meanwhile; empty when nothing does
 */
public record Words(String impact, String rootCause, String action, String customers, String queued) { }
