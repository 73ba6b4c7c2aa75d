package runbook.rotation;

import java.time.Duration;
import java.util.List;

/** A Heroku app's dynos, {@code heroku:APP}. */
record HerokuDynos(String name, String app) implements RestartTarget {
    @Override
    public Subject subject() {
        return new Subject(app, " --app " + app);
    }

    @Override
    public List<Command> restarting(Duration within) {
        return List.of(Command.of("heroku", "ps:restart", "--app", app), Command.of("heroku", "ps:wait", "--app", app));
    }

    @Override
    public void inspect(Tool tool) throws Trouble {
        tool.run(Command.of("heroku", "ps", "--app", app), subject());
    }
}
