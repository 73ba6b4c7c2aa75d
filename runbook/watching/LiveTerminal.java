package runbook.watching;

import java.io.IOException;
import java.time.Duration;
import org.jline.terminal.Attributes;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.Display;
import org.jline.utils.InfoCmp.Capability;

/**
 * The terminal while a live view is on it: another screen, no cursor, keys without Enter. {@link #close()} gives it back
 * as it was, and so does a signal that ends the process.
 */
public final class LiveTerminal implements AutoCloseable {
    /** What came from the keyboard. */
    public enum Key { NONE, QUIT }

    private static final int CTRL_C = 3;
    private static final int NARROWEST = 20;
    private static final int LOWEST = 3;

    private final Terminal terminal;
    private final Display display;
    private final Attributes before;
    private final boolean unicode;
    private final boolean color;
    private final Thread giveBack = new Thread(this::restore, "terminal");
    private volatile boolean resized = true;
    private volatile boolean interrupted;
    private Size size = Size.of(80, 24);
    private boolean open = true;

    private LiveTerminal(Terminal terminal, boolean unicode, boolean color) {
        this.terminal = terminal;
        this.unicode = unicode;
        this.color = color;
        terminal.handle(Terminal.Signal.INT, signal -> interrupted = true);
        terminal.handle(Terminal.Signal.WINCH, signal -> resized = true);
        before = terminal.enterRawMode();
        display = new Display(terminal, true);
        terminal.puts(Capability.enter_ca_mode);
        terminal.puts(Capability.cursor_invisible);
        // The title as it was is pushed on xterm's stack, to be popped at the end.
        terminal.writer().print("\033[22;0t");
        terminal.flush();
        Runtime.getRuntime().addShutdownHook(giveBack);
    }

    /**
     * Takes the terminal over.
     *
     * @param unicode whether its character set has symbols
     * @throws IOException when there is none that can be taken over
     */
    public static LiveTerminal open(boolean unicode, boolean color) throws IOException {
        // JLine would load a native library for this, of which Java 24 and later warn; reflection does as well.
        System.setProperty(TerminalBuilder.PROP_REDIRECT_PIPE_CREATION_MODE, TerminalBuilder.PROP_REDIRECT_PIPE_CREATION_MODE_REFLECTION);
        Terminal terminal = TerminalBuilder.builder().provider(TerminalBuilder.PROP_PROVIDER_EXEC).system(true).dumb(false)
                .nativeSignals(true).signalHandler(Terminal.SignalHandler.SIG_DFL).build();
        return new LiveTerminal(terminal, unicode, color);
    }

    /** Whether a terminal of this type can show a live view. */
    public static boolean capable(String type) {
        return type != null && !type.isBlank() && !type.startsWith("dumb") && !type.equals("unknown");
    }

    /** Shows this, in place of what was shown before. */
    public void show(Snapshot shot) {
        if (resized) {
            // Asking for the size starts a process: only when it has changed.
            resized = false;
            size = terminal.getSize();
            display.resize(size);
            display.clear();
            terminal.puts(Capability.clear_screen);
        }
        display.update(Panel.lay(shot, Math.max(NARROWEST, size.getColumns()), Math.max(LOWEST, size.getRows() - 1), unicode, color), 0);
        terminal.flush();
    }

    /** Whether the terminal has another size than the last picture. */
    public boolean resized() {
        return resized;
    }

    /** Waits for a key, or until this long has passed. */
    public Key key(Duration most) {
        try {
            int key = terminal.reader().read(Math.max(1, most.toMillis()));
            if (key == 'q' || key == 'Q' || key == CTRL_C || interrupted) {
                return Key.QUIT;
            }
            if (key == -1) {
                // The keyboard is gone for good: not to be asked again at once.
                Thread.sleep(Math.max(1, most.toMillis()));
            }
        } catch (IOException e) {
            return Key.QUIT;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Key.QUIT;
        }
        return interrupted ? Key.QUIT : Key.NONE;
    }

    /** Sets the window's title. */
    public void title(String title) {
        terminal.writer().print("\033]0;" + title.replaceAll("\\p{Cc}", " ") + "\007");
        terminal.flush();
    }

    /** Rings. */
    public void bell() {
        terminal.writer().print("\007");
        terminal.flush();
    }

    private synchronized void restore() {
        if (open) {
            open = false;
            terminal.writer().print("\033[23;0t");
            terminal.puts(Capability.cursor_visible);
            terminal.puts(Capability.exit_ca_mode);
            terminal.flush();
            terminal.setAttributes(before);
        }
    }

    @Override
    public void close() throws IOException {
        restore();
        try {
            Runtime.getRuntime().removeShutdownHook(giveBack);
        } catch (IllegalStateException e) {
            // The process is ending already, and the hook has run.
        }
        terminal.close();
    }
}
