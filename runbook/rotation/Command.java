package runbook.rotation;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import runbook.Text;

/**
 * A command as it is run. Nothing secret is ever among its words: a value goes in by standard input.
 *
 * @param words the program and its arguments
 * @param fed   what standard input carries, in words; empty for nothing
 */
public record Command(List<String> words, String fed) {
    /** A command that reads nothing. */
    static Command of(String... words) {
        return new Command(List.of(words), "");
    }

    /** A line for the shell, as a person would type it. */
    static Command shell(String line) {
        return of("/bin/sh", "-c", line);
    }

    /** The same with more arguments. */
    Command and(String... more) {
        return new Command(Stream.concat(words.stream(), Stream.of(more)).toList(), fed);
    }

    /** The same with an option, where its value is given; null leaves it away. */
    Command option(String name, String value) {
        List<String> longer = new ArrayList<>(words);
        if (value != null) {
            longer.add(name);
            longer.add(value);
        }
        return new Command(longer, fed);
    }

    /** The same, fed by standard input. */
    Command feeding(String what) {
        return new Command(words, what);
    }

    /** As it can be pasted into a shell; what standard input carries follows as a comment. */
    public String shown() {
        return words.stream().map(Text::word).collect(Collectors.joining(" "))
                + (fed.isEmpty() ? "" : "   # " + fed + " on standard input");
    }
}
