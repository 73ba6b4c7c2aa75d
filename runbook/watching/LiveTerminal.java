package runbook.watching;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.jline.terminal.Attributes;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.Curses;
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
    // xterm keeps a stack of titles; terminals that do not know it ignore these.
    private static final String PUSH_TITLE = "\033[22;0t";
    private static final String POP_TITLE = "\033[23;0t";
    private static final String SHOW_CURSOR = "\033[?25h";
    private static final int NARROWEST = 20;
    private static final int LOWEST = 3;

    private final Terminal terminal;
    private final Display display;
    private final Attributes before;
    private final byte[] farewell;
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
        farewell = (POP_TITLE
                        + capability(Capability.exit_ca_mode)
                        + capability(Capability.cursor_normal)
                        + SHOW_CURSOR)
                .getBytes(StandardCharsets.US_ASCII);
        terminal.puts(Capability.enter_ca_mode);
        terminal.puts(Capability.cursor_invisible);
        terminal.writer().print(PUSH_TITLE);
        terminal.flush();
        Runtime.getRuntime().addShutdownHook(giveBack);
    }

    private String capability(Capability capability) {
        String sequence = terminal.getStringCapability(capability);
        return sequence == null ? "" : Curses.tputs(sequence);
    }

    /**
     * Takes the terminal over.
     *
     * @param unicode whether its character set has symbols
     * @throws IOException when there is none that can be taken over
     */
    public static LiveTerminal open(boolean unicode, boolean color) throws IOException {
        // JLine would load a native library for this, of which Java 24 and later warn; reflection does as well.
        System.setProperty(
                TerminalBuilder.PROP_REDIRECT_PIPE_CREATION_MODE,
                TerminalBuilder.PROP_REDIRECT_PIPE_CREATION_MODE_REFLECTION);
        Terminal terminal = TerminalBuilder.builder().provider(TerminalBuilder.PROP_PROVIDER_EXEC).system(true).dumb(false)
                .nativeSignals(true).signalHandler(Terminal.SignalHandler.SIG_DFL).build();
        return new LiveTerminal(terminal, unicode, color);
    }

    /** Whether a terminal of this type can show a live view. */
    public static boolean capable(String type) {
        return type != null && !type.isBlank() && !type.startsWith("dumb") && !type.equals("unknown");
    }

    /** Shows this, in place of what was shown before. */
    public synchronized void show(Snapshot shot) {
        if (!open) {
            return;
        }
        if (resized) {
            // Asking for the size starts a process: only when it has changed.
            resized = false;
            size = terminal.getSize();
            display.resize(size);
            display.clear();
            terminal.puts(Capability.clear_screen);
        }
        display.update(
                Panel.lay(
                        shot,
                        Math.max(NARROWEST, size.getColumns()),
                        Math.max(LOWEST, size.getRows() - 1),
                        unicode,
                        color),
                0);
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
        } catch (IOException | IllegalStateException e) {
            // The terminal is gone, or a signal has closed it.
            return Key.QUIT;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Key.QUIT;
        }
        return interrupted ? Key.QUIT : Key.NONE;
    }

    /** Sets the window's title. */
    public synchronized void title(String title) {
        say("\033]0;" + title.replaceAll("\\p{Cc}", " ") + "\007");
    }

    /** Rings. */
    public synchronized void bell() {
        say("\007");
    }

    private void say(String sequence) {
        if (open) {
            terminal.writer().print(sequence);
            terminal.flush();
        }
    }

    // Past JLine, to the descriptor itself: on a signal JLine closes its terminal at the same time as this runs.
    private synchronized void restore() {
        if (open) {
            open = false;
            try {
                // Not to be closed: standard output goes on.
                new FileOutputStream(FileDescriptor.out).write(farewell);
            } catch (IOException e) {
                // The terminal is gone.
            }
        }
    }

    @Override
    public void close() throws IOException {
        restore();
        try {
            Runtime.getRuntime().removeShutdownHook(giveBack);
            terminal.setAttributes(before);
        } catch (IllegalStateException e) {
            // The process is ending already: the hook has run, and JLine's own has set the attributes.
        }
        terminal.close();
    }
}
