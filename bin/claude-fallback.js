#!/usr/bin/env node
import '../dist/claude-fallback.js'
