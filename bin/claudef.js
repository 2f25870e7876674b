#!/usr/bin/env node
import '../dist/claudef.js'
