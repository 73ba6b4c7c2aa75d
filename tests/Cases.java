import java.lang.annotation.*;
import java.util.*;
import java.util.stream.*;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.AnnotationBasedArgumentsProvider;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.junit.jupiter.params.support.ParameterDeclarations;

/**
 * A test's parameters are the rows of a table in a file of {@code tests/}, {@code sandbox-cases.txt: requests}; cells
 * that are empty or left away are null. Of a file alone, {@code watch-runs.txt}, they are what stands below each
 * {@code == name}: the name and the lines.
 */
@Retention(RetentionPolicy.RUNTIME)
@ArgumentsSource(Cases.Reader.class)
@interface Cases {
    String value();

    /** Reads them. */
    final class Reader extends AnnotationBasedArgumentsProvider<Cases> {
        @Override
        protected Stream<? extends Arguments> provideArguments(ParameterDeclarations parameters,
                ExtensionContext context, Cases cases) {
            String[] place = cases.value().split(": ");
            return place.length == 1 ? named(cases.value())
                    : rows(place[0], place[1]).map(row -> filledUp(row, parameters.getAll().size()));
        }

        private static Stream<Arguments> named(String file) {
            return Stream.of(Tree.read(Repository.file("tests/" + file)).split("(?m)^== ")).skip(1)
                    .map(text -> Arguments.of(text.lines().findFirst().orElseThrow(), text.lines().skip(1).toList()));
        }

        static Stream<String[]> rows(String file, String table) {
            return Repository.tables(file).get(table).stream().filter(row -> !row.startsWith("#"))
                    .map(row -> Stream.of(row.split("\\|")).map(String::strip)
                            .map(cell -> cell.isEmpty() ? null : cell).toArray(String[]::new));
        }

        private static Arguments filledUp(String[] row, int columns) {
            if (row.length > columns) {
                throw new IllegalStateException("more than " + columns + " cells: " + String.join("|", row));
            }
            return Arguments.of((Object[]) Arrays.copyOf(row, columns));
        }
    }
}
