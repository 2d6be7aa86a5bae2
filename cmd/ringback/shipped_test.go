package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/ringback-health/ringback/internal/config"
)

const repository = "../.."

// TestShippedConfigurations: what the documentation tells people to copy is right.
func TestShippedConfigurations(t *testing.T) {
	for _, file := range []string{"docs/ringback.example.yaml", "docs/ringback.compose.yaml"} {
		cfg, err := config.Load(filepath.Join(repository, file))
		if err != nil {
			t.Error(err)
			continue
		}
		ehrs, err := newConnectors(cfg, nil, nil)
		if err != nil || len(ehrs) != 1 {
			t.Errorf("%s: %d connectors, %v", file, len(ehrs), err)
		}
		for _, c := range ehrs {
			c.Close()
		}
	}
}

// TestCompose checks what can be checked of docker-compose.yml without a
// container engine: it is read strictly, every file it mounts is there or said to
// be made, every secret and volume is declared, and its commands exist.
func TestCompose(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(repository, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	type service struct {
		Image, Build, User string
		Command            []string
		Volumes, Secrets   []string
		Healthcheck        struct{ Test []string }
		DependsOn          map[string]struct{ Condition string } `yaml:"depends_on"`
	}
	var compose struct {
		Services map[string]service
		Volumes  map[string]any
		Secrets  map[string]struct{ File string }
	}
	if err := yaml.Unmarshal(raw, &compose); err != nil {
		t.Fatal(err)
	}
	for name, s := range compose.Services {
		if (s.Image == "") == (s.Build == "") {
			t.Errorf("%s: needs an image or a build", name)
		}
		if s.Build != "" && (s.User == "" || strings.HasPrefix(s.User, "0")) {
			t.Errorf("%s runs as root", name)
		}
		for on := range s.DependsOn {
			if _, ok := compose.Services[on]; !ok {
				t.Errorf("%s depends on %s, which is not there", name, on)
			}
		}
		for _, secret := range s.Secrets {
			if f := compose.Secrets[secret].File; !strings.HasPrefix(f, "./secrets/") || !strings.Contains(string(raw), "> "+f[2:]) {
				t.Errorf("%s: nobody is told how to make the secret %s", name, secret)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			_, declared := compose.Volumes[from]
			if _, err := os.Stat(filepath.Join(repository, from)); err != nil && !declared {
				t.Errorf("%s mounts %s, which is not there", name, from)
			}
		}
		root := newRoot()
		for _, words := range [][]string{s.Command, s.Healthcheck.Test} {
			i := slices.Index(words, "/usr/local/bin/ringback")
			if s.Build == "" || len(words) == 0 {
				continue
			}
			if cmd, _, err := root.Find(words[i+1:]); err != nil || cmd == root {
				t.Errorf("%s: there is no command %v", name, words)
			}
		}
	}
	if len(compose.Services) != 4 {
		t.Errorf("%d services", len(compose.Services))
	}
}
