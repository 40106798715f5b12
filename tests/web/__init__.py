"""Tests of the HTTP API and of what pages stand on."""
