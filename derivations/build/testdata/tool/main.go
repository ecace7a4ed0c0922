// The tool is the builder of the tests: each argument is a line of words, the
// first of which says what to do. Variables are expanded.
package main

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	for _, line := range os.Args[1:] {
		if err := do(strings.Fields(os.ExpandEnv(line))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func do(words []string) error {
	arg := func(i int) string { return words[i] }
	switch words[0] {
	case "write":
		if err := os.MkdirAll(filepath.Dir(arg(1)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(arg(1), []byte(strings.Join(words[2:], " ")), 0o644)
	case "copy":
		data, err := os.ReadFile(arg(1))
		if err != nil {
			return err
		}
		return os.WriteFile(arg(2), data, 0o755)
	case "mkdir":
		return os.MkdirAll(arg(1), 0o755)
	case "symlink":
		return os.Symlink(arg(1), arg(2))
	case "link":
		return os.Link(arg(1), arg(2))
	case "remove":
		return os.RemoveAll(arg(1))
	case "mkfifo":
		return syscall.Mkfifo(arg(1), 0o644)
	case "socket":
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		return syscall.Bind(fd, &syscall.SockaddrUnix{Name: arg(1)})
	case "dial":
		said := "unreachable"
		if c, err := net.Dial(arg(2), arg(3)); err == nil {
			c.Close()
			said = "reached"
		}
		return os.WriteFile(arg(1), []byte(said), 0o644)
	case "chmod":
		mode, err := strconv.ParseUint(arg(1), 8, 32)
		if err != nil {
			return err
		}
		return syscall.Chmod(arg(2), uint32(mode))
	case "chown":
		uid, _ := strconv.Atoi(arg(1))
		gid, _ := strconv.Atoi(arg(2))
		return os.Chown(arg(3), uid, gid)
	case "print":
		fmt.Println(strings.Join(words[1:], " "))
		return nil
	case "show":
		data, err := os.ReadFile(arg(1))
		fmt.Println(string(data))
		return err
	case "find":
		return filepath.WalkDir(arg(1), func(path string, _ fs.DirEntry, err error) error {
			fmt.Println(path)
			return err
		})
	case "tell":
		return tell(arg(1), arg(2))
	case "environment":
		for _, e := range os.Environ() {
			fmt.Println(e)
		}
		return nil
	case "eat":
		size, err := strconv.Atoi(arg(1)) // MiB
		for eaten := make([]byte, size<<20); err == nil && len(eaten) > 0; eaten = eaten[4096:] {
			eaten[0] = 1
		}
		return err
	case "exit-unless-host":
		if name, _ := os.Hostname(); name != arg(1) {
			os.Exit(3)
		}
		return nil
	case "exit":
		code, _ := strconv.Atoi(arg(1))
		os.Exit(code)
	case "signal":
		n, _ := strconv.Atoi(arg(1))
		syscall.Kill(os.Getpid(), syscall.Signal(n))
		time.Sleep(time.Hour) // until it comes
	case "hang":
		for {
			time.Sleep(time.Hour) // select {} would be a deadlock, which ends it
		}
	case "babble":
		for {
			fmt.Println("words")
		}
	}
	return fmt.Errorf("cannot %s", words[0])
}

// tell writes to a file something that a result should not depend on.
func tell(what, path string) error {
	var text string
	switch what {
	case "date":
		text = time.Now().Format(time.DateOnly)
	case "chance":
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		text = fmt.Sprintf("%x", random)
	case "processors":
		text = fmt.Sprint(runtime.NumCPU())
	case "cores":
		text = os.Getenv("SYSC_CORES")
	case "user":
		text = fmt.Sprint(os.Getuid(), ":", os.Getgid())
	case "host":
		text, _ = os.Hostname()
	case "order":
		dir, err := os.Open("/etc")
		if err != nil {
			return err
		}
		defer dir.Close()
		names, err := dir.Readdirnames(-1)
		if err != nil {
			return err
		}
		text = strings.Join(names, " ")
	default:
		return fmt.Errorf("cannot tell %s", what)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
