package gitfetch

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	// tick is how often the size of what arrived is looked at.
	tick = 200 * time.Millisecond
	// grace is how long pipes may stay open when git has ended.
	grace = 5 * time.Second
	// maxAnswer bounds what one command prints, in bytes.
	maxAnswer = 64 << 20
)

// settings are git's configuration. There is no other: see environment.
var settings = []string{
	"core.hooksPath=/dev/null",
	"core.attributesFile=/dev/null",
	"core.excludesFile=/dev/null",
	"core.fsmonitor=false",
	"core.bigFileThreshold=16m", // larger ones are streamed, not held in memory
	"credential.helper=",
	"protocol.version=2",
	"transfer.bundleURI=false",
	"transfer.fsckObjects=true",
	// Old mistakes of harmless tools, which many histories have.
	"fetch.fsck.zeroPaddedFilemode=ignore",
	"fetch.fsck.missingSpaceBeforeDate=ignore",
	"fetch.fsck.badTimezone=ignore",
	"fetch.unpackLimit=1", // one pack, not loose objects
	"fetch.recurseSubmodules=false",
	"submodule.recurse=false",
	"fetch.writeCommitGraph=false",
	"maintenance.auto=false",
	"gc.auto=0",
	"http.sslVerify=true",
	"http.lowSpeedLimit=1",
	"http.lowSpeedTime=60",
}

// sshCommand never asks anything, shares no connection and forwards nothing. It
// reads the user's own configuration of ssh: keys and hosts are there.
const sshCommand = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oPermitLocalCommand=no -oClearAllForwardings=yes" +
	" -oForwardAgent=no -oForwardX11=no -oControlMaster=no -oControlPath=none -oConnectTimeout=30 -oServerAliveInterval=15"

// allocLimit is the most memory that git may take at once: an object that is
// larger and cannot be streamed is refused.
const allocLimit = "1g"

// environment returns all that git and its children find in theirs. home is a
// private directory.
func environment(home, scheme string) []string {
	env := []string{
		"HOME=" + home,
		"XDG_CONFIG_HOME=" + home,
		"LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=",
		"SSH_ASKPASS_REQUIRE=never",
		"GIT_ALLOW_PROTOCOL=" + scheme,
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_SSH_COMMAND=" + sshCommand,
		"GIT_SSH_VARIANT=ssh",
		"GIT_ALLOC_LIMIT=" + allocLimit,
	}
	// What says how this machine reaches others; names as git knows them.
	for _, pass := range [][2]string{
		{"PATH", "PATH"}, {"SSH_AUTH_SOCK", "SSH_AUTH_SOCK"},
		{"https_proxy", "https_proxy"}, {"HTTPS_PROXY", "HTTPS_PROXY"}, {"http_proxy", "http_proxy"},
		{"all_proxy", "all_proxy"}, {"ALL_PROXY", "ALL_PROXY"}, {"no_proxy", "no_proxy"}, {"NO_PROXY", "NO_PROXY"},
		{"SSL_CERT_FILE", "GIT_SSL_CAINFO"}, {"SSL_CERT_DIR", "GIT_SSL_CAPATH"},
	} {
		if value, ok := os.LookupEnv(pass[0]); ok {
			env = append(env, pass[1]+"="+value)
		}
	}
	return env
}

// A git runs commands on one bare repository, for one remote.
type git struct {
	program  string
	remote   Remote
	dir      string // the repository
	home     string
	limit    int64 // bytes that the repository may have
	silence  time.Duration
	progress func(done int64)
}

// command prepares git with arguments. It runs in a session of its own, without
// a terminal, and all of that session is killed when ctx ends.
func (g *git) command(ctx context.Context, args ...string) *exec.Cmd {
	all := []string{"--git-dir=" + g.dir, "--no-pager"}
	for _, s := range settings {
		all = append(all, "-c", s)
	}
	cmd := exec.CommandContext(ctx, g.program, append(all, args...)...)
	cmd.Dir = g.home
	cmd.Env = environment(g.home, g.remote.scheme)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = grace
	return cmd
}

// run does one command and returns what it printed.
func (g *git) run(ctx context.Context, args ...string) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := g.command(ctx, args...)
	answer := &bounded{limit: maxAnswer, full: func() { cancel(fmt.Errorf("git %s %s: more than %d bytes of answer", args[0], g.remote, maxAnswer)) }}
	messages := &tail{}
	cmd.Stdout, cmd.Stderr = answer, messages
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git: %w", err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		g.watch(ctx, cancel, messages)
	}()
	err := cmd.Wait()
	cause := context.Cause(ctx)
	cancel(nil)
	<-watched
	switch {
	case cause != nil:
		return nil, cause
	case err != nil:
		return nil, &Error{Remote: g.remote, Doing: args[0], Output: messages.last(), cause: err}
	}
	return answer.Bytes(), nil
}

// watch ends git when too much has arrived or nothing happens any more, until
// ctx ends.
func (g *git) watch(ctx context.Context, cancel context.CancelCauseFunc, messages *tail) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var size, heard int64
	quiet := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now, said := diskSize(filepath.Join(g.dir, "objects")), messages.count()
		if now != size || said != heard {
			quiet = time.Now()
		}
		if now != size && g.progress != nil {
			g.progress(now)
		}
		size, heard = now, said
		switch {
		case size > g.limit:
			cancel(&SizeError{Remote: g.remote, Limit: g.limit})
		case time.Since(quiet) > g.silence:
			cancel(fmt.Errorf("fetch %s: %w", g.remote, errSilent))
		}
	}
}

// diskSize returns how many bytes the files below dir have. What goes away
// meanwhile does not count.
func diskSize(dir string) int64 {
	var sum int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	return sum
}
