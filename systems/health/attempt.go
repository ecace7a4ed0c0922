package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"sysc/systems"
)

// Bounds of what is kept of what programs say.
const (
	maxLines  = 20
	maxOutput = 16 << 10 // bytes, the last ones
)

// grace is how long a program may take to end that was told to, and asking for a
// unit's journal.
const grace = 5 * time.Second

// An outcome is what one attempt came to.
type outcome struct {
	err error
	log []string
}

func attempt(ctx context.Context, c systems.HealthCheck) outcome {
	switch {
	case c.HTTP != "":
		return outcome{err: get(ctx, c.HTTP)}
	case c.TCP != "":
		return outcome{err: connect(ctx, c.TCP)}
	case c.Unit != "":
		return outcome{err: active(ctx, c.Unit)}
	}
	return command(ctx, c.Command)
}

// get asks for an address once: no proxy, and a redirection is an answer.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := client.Do(request)
	if err != nil {
		return late(ctx, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 399 {
		return fmt.Errorf("get %s: %s", url, answer.Status)
	}
	return nil
}

func connect(ctx context.Context, address string) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return late(ctx, err)
	}
	return conn.Close()
}

// active asks systemd for a unit's state (systemctl(1), "is-active").
func active(ctx context.Context, unit string) error {
	out, err := exec.CommandContext(ctx, "systemctl", "is-active", "--", unit).Output()
	state := strings.TrimSpace(string(out))
	switch {
	case err == nil:
		return nil
	case state != "" && !over(ctx):
		return fmt.Errorf("%s is %s", unit, state)
	}
	return late(ctx, fmt.Errorf("ask for %s: %w", unit, err))
}

// journal returns the last lines of a unit's log; none where there is no journal.
func journal(unit string) []string {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	out, err := exec.CommandContext(ctx, "journalctl", "--quiet", "--no-pager", "--output=short-iso",
		fmt.Sprintf("--lines=%d", maxLines), "--unit="+unit).Output()
	if err != nil {
		return nil
	}
	return lastLines(out)
}

// command runs a program. It and all that it started are killed when its time is over.
func command(ctx context.Context, args []string) outcome {
	var out tail
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	err := cmd.Run()
	if err != nil {
		err = late(ctx, fmt.Errorf("run %s: %w", args[0], err))
	}
	return outcome{err, lastLines(out.data)}
}

// late tells of the time that is over, rather than of what that broke off.
func late(ctx context.Context, err error) error {
	if over(ctx) {
		return errors.New("it was not done in time")
	}
	return err
}

// over reports whether ctx has ended, or is about to: a connection that has the same
// deadline may see it first.
func over(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && !time.Now().Before(deadline)
}

// A tail keeps the end of what is written to it.
type tail struct{ data []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if extra := len(t.data) - maxOutput; extra > 0 {
		t.data = append(t.data[:0], t.data[extra:]...)
	}
	return len(p), nil
}

// lastLines returns the last lines of a text.
func lastLines(text []byte) []string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return nil
	}
	lines := strings.Split(strings.ToValidUTF8(string(text), "\uFFFD"), "\n")
	return lines[max(0, len(lines)-maxLines):]
}
