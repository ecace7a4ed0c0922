package gittest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// ServeSSH serves the repositories below dir over ssh until stop is called, to
// one key. address is "ssh://USER@HOST:PORT". In the directory client are that
// key, the server's key as known_hosts, and a program "ssh" that uses them and
// no others: PATH must lead to it.
func ServeSSH(dir, client string) (address string, stop func(), err error) {
	host, err := newKey(filepath.Join(client, "host_key"))
	if err != nil {
		return "", nil, err
	}
	user, err := newKey(filepath.Join(client, "id_ed25519"))
	if err != nil {
		return "", nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(user.PublicKey().Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	known := fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(host.PublicKey()))
	program, err := exec.LookPath("ssh")
	if err == nil {
		err = os.WriteFile(filepath.Join(client, "known_hosts"), []byte(known), 0o600)
	}
	if err == nil {
		script := fmt.Sprintf("#!/bin/sh\nexec %s -F none -oIdentityAgent=none -oIdentitiesOnly=yes -oIdentityFile='%s/id_ed25519' -oUserKnownHostsFile='%[2]s/known_hosts' -oGlobalKnownHostsFile=none \"$@\"\n", program, client)
		err = os.WriteFile(filepath.Join(client, "ssh"), []byte(script), 0o755)
	}
	if err != nil {
		listener.Close()
		return "", nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // stopped
			}
			go serveConn(conn, config, dir)
		}
	}()
	return fmt.Sprintf("ssh://git@127.0.0.1:%d", port), func() { listener.Close() }, nil
}

// newKey makes a key and writes it to a file as ssh reads it.
func newKey(file string) (ssh.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(key)
}

func serveConn(conn net.Conn, config *ssh.ServerConfig, dir string) {
	defer conn.Close()
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return // the client is told
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if c.ChannelType() != "session" {
			c.Reject(ssh.UnknownChannelType, "sessions only")
			continue
		}
		channel, requests, err := c.Accept()
		if err != nil {
			return
		}
		go serveSession(channel, requests, dir)
	}
}

// serveSession runs git-upload-pack, and nothing else.
func serveSession(channel ssh.Channel, requests <-chan *ssh.Request, dir string) {
	defer channel.Close()
	protocol := ""
	for r := range requests {
		switch r.Type {
		case "env":
			var variable struct{ Name, Value string }
			if ssh.Unmarshal(r.Payload, &variable) == nil && variable.Name == "GIT_PROTOCOL" {
				protocol = variable.Value
			}
			r.Reply(true, nil)
		case "exec":
			var command struct{ Text string }
			name, ok := "", false
			if ssh.Unmarshal(r.Payload, &command) == nil {
				name, ok = strings.CutPrefix(command.Text, "git-upload-pack '")
			}
			r.Reply(ok, nil)
			if !ok {
				return
			}
			name = filepath.Clean("/" + strings.TrimSuffix(name, "'"))
			cmd := exec.Command("git", "upload-pack", filepath.Join(dir, name))
			cmd.Env = append(environment(), "GIT_PROTOCOL="+protocol)
			cmd.Stdout, cmd.Stderr = channel, channel.Stderr()
			status := uint32(1)
			if run(cmd, channel) == nil {
				status = 0
			}
			channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
			return
		default:
			r.Reply(false, nil)
		}
	}
}

// run runs a program that reads in. It does not wait for the end of that: the
// client closes it when it knows how the program ended.
func run(cmd *exec.Cmd, in io.Reader) error {
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		io.Copy(pipe, in)
		pipe.Close()
	}()
	return cmd.Wait()
}
