"""The tests are one package: else pytest would take tests/whisperx for the package `whisperx` itself."""
