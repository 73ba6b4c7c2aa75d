package runbook.watching;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import runbook.Text;
import runbook.StatusPage;

/**
 * The status page, as far as recovery depends on it.
 *
 * @param worse   what is worse than monitoring on the components that matter, each in words; empty when nothing is
 * @param trouble why the page could not be read; empty when it could
 * @param newest  the newest update on an incident that is not over; empty when all is well
 */
public record Page(List<String> worse, String trouble, Optional<Update> newest) {
    private static final int LONGEST = 90;

    /** What the shared check read. */
    static Page of(StatusPage page) {
        if (page.source() == StatusPage.Source.NONE) {
            return new Page(List.of(), Text.safe(page.check().summary(), LONGEST), Optional.empty());
        }
        List<String> worse = new ArrayList<>();
        List<StatusPage.Incident> ours = page.incidents().stream().filter(StatusPage.Incident::matters).toList();
        ours.stream()
                .filter(incident -> !incident.monitoring())
                .forEach(incident -> worse.add(incident.name() + " is " + incident.status()));
        // While the vendor monitors its fix, a component may still show what was; without an incident it has to be believed.
        if (ours.isEmpty()) {
            page.components().forEach((name, status) -> {
                if (!status.equals("under_maintenance")) {
                    worse.add(name + ": " + status.replace('_', ' '));
                }
            });
        }
        return new Page(List.copyOf(worse), "", ours.stream().findFirst().map(Page::update));
    }

    static Update update(StatusPage.Incident incident) {
        return new Update(incident.id(), incident.updated(), incident.name(), incident.status(), incident.update());
    }

    /** As a condition. A page that cannot be read proves nothing. */
    public Condition condition() {
        if (!trouble.isEmpty()) {
            return new Condition("status-page", false, trouble + " (--no-status-page leaves it out)");
        }
        return worse.isEmpty()
                ? new Condition("status-page", true, "status page: nothing worse than monitoring")
                : new Condition(
                        "status-page",
                        false,
                        "status page: " + String.join("; ", worse) + " (wanted: monitoring or better)");
    }
}
