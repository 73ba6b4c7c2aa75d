package runbook.rotation;

import java.util.List;

/** What the steps of one rotation have in common. */
record Work(Wishes wishes, Tool tool, Klaviyo klaviyo, AppWatch app, Ledger ledger, List<Holding> holdings) {
    static Work on(Wishes wishes, Tool tool, Listener listener) {
        return new Work(wishes, tool, new Klaviyo(wishes.settings()), new AppWatch(wishes.settings()),
                new Ledger(listener, tool, wishes.settings().drill()), wishes.stores().stream().map(Holding::new).toList());
    }
}
