import java.io.*;
import java.lang.annotation.*;
import java.nio.file.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.support.AnnotationConsumer;

/**
 * A test's parameters are the rows of a table in a file of {@code tests/}: {@code sandbox-cases.txt: requests} is what
 * stands there below {@code [requests]}, up to an empty line. Cells that are empty or left away are null.
 */
@Retention(RetentionPolicy.RUNTIME)
@ArgumentsSource(Cases.Table.class)
@interface Cases {
    String value();

    /** Reads one. */
    final class Table implements ArgumentsProvider, AnnotationConsumer<Cases> {
        private static final int MOST_COLUMNS = 6;
        private String where;

        @Override
        public void accept(Cases cases) {
            where = cases.value();
        }

        @Override
        public Stream<? extends Arguments> provideArguments(ExtensionContext context) throws IOException {
            return rows(where).map(row -> Arguments.of((Object[]) row));
        }

        static Stream<String[]> rows(String where) throws IOException {
            String[] place = where.split(": ");
            String text = Files.readString(Repository.file("tests/" + place[0]));
            String table = text.substring(text.indexOf("[" + place[1] + "]\n") + place[1].length() + 3);
            return table.split("\n\n")[0].lines().map(row -> Stream.of(row.split("\\|")).map(String::strip)
                    .map(cell -> cell.isEmpty() ? null : cell).toArray(String[]::new))
                    .map(cells -> Arrays.copyOf(cells, MOST_COLUMNS));
        }
    }
}
