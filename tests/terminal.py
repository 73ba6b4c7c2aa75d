# A terminal for a command: terminal.py COUNT PROMPT ANSWER ... COMMAND answers the prompts, and shows all that one would show.
import os, pty, sys
end = 2 + 2 * int(sys.argv[1])
answers = [(sys.argv[i].encode(), sys.argv[i + 1].encode() + b'\n') for i in range(2, end, 2)]
command = sys.argv[end:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen, at = b'', 0
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    seen += part
    if answers and answers[0][0] in seen[at:]:
        at = len(seen)
        os.write(terminal, answers.pop(0)[1])
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
