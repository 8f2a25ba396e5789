/* range gate: the Python side. */

#include "binding.h"
#include "range_gate.h"

static const char range_gate_doc[] =
    "RangeGate(*, rate_hz, mics, centre_hz, period_frames, bins, bin_samples, lead_samples, replica)\n--\n\n"
    "Interleaved int32 PCM to what arrived after each pulse, sorted by its delay.\n\n"
    "The band around the centre, 12 kHz wide, is correlated with the replica: bin b is the sum over i of\n"
    "band[t + i] conj(replica[i]), t being lead_samples before the pulse left and b * bin_samples behind that,\n"
    "in samples at 12 kHz. A real sine of amplitude A (full scale 1.0) at the centre is A in the band, to\n"
    "1.7 dB within +-5 kHz; what would fold onto that is 70 dB down. Phases refer to the instant at which the\n"
    "pulse left. The output does not depend on how the input is cut into blocks.\n\n"
    "Args:\n"
    "    rate_hz: 192000 or 96000.\n"
    "    mics: 1 to 8.\n"
    "    centre_hz: 34000 to 46000 (to 41000 at 96 kHz).\n"
    "    period_frames: from pulse to pulse, 1 ms to 1 s. Multiples of 16 (of 8 at 96 kHz) cost least.\n"
    "    bins: 1 to (4080 - replica samples) / bin_samples.\n"
    "    bin_samples: samples at 12 kHz from bin to bin, 1 or 2.\n"
    "    lead_samples: samples of the replica before the pulse begins.\n"
    "    replica: complex64 [samples].\n\n"
    "Raises:\n"
    "    TypeError: the replica is of another type.\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char range_gate_process_into_doc[] =
    "process_into($self, /, samples, echoes)\n--\n\n"
    "Consume `samples` int32 [frames, mics]; fill `echoes` complex64 [n, mics, bins] and return n, which is\n"
    "output_pulses(frames). Both C-contiguous. After an exception nothing was consumed.\n\n"
    "Raises:\n"
    "    TypeError: the type of a buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static const char range_gate_output_pulses_doc[] =
    "output_pulses($self, /, frames)\n--\n\n"
    "How many pulses the next `frames` frames complete.";

static const char range_gate_reset_doc[] =
    "reset($self, /, first_frame=0, offset_frames=0.0)\n--\n\n"
    "Forget all samples. The next frame is number `first_frame` of the stream. Pulses begin at every multiple of\n"
    "the period as the emission counts frames, and leave `offset_frames` later as the microphones count. A pulse\n"
    "whose window has begun already is left out.\n\n"
    "Raises:\n"
    "    ValueError: the frame is not 0 to 2^53, or the offset not 0 to 10 s.";

static void range_gate_destroy(void *core)
{
    pp_range_gate_destroy(core);
}

static PyObject *range_gate_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "mics", "centre_hz", "period_frames", "bins",
                            "bin_samples", "lead_samples", "replica", NULL};
    pp_range_gate_spec spec = {0};
    PyObject *replica = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iidiiiiO:RangeGate", names, &spec.rate_hz, &spec.mics,
                                     &spec.centre_hz, &spec.period_frames, &spec.bins, &spec.bin_samples,
                                     &spec.lead_samples, &replica)) {
        return NULL;
    }
    const pp_buffer_wish wish = {"replica", "complex64", "Zf", 8, 4, 1, {PP_ANY}, false};
    Py_buffer view;
    if (!pp_take(replica, &wish, &view)) {
        return NULL;
    }
    spec.replica_samples = view.shape[0] > INT32_MAX ? INT32_MAX : (int)view.shape[0];
    spec.replica = view.buf;
    char reason[PP_REASON_BYTES];
    pp_range_gate *const core = pp_range_gate_create(&spec, reason);
    PyBuffer_Release(&view);
    return pp_wrap(type, core, range_gate_destroy, reason);
}

static void range_gate_dealloc(PyObject *self)
{
    pp_unwrap(self, range_gate_destroy);
}

static PyObject *range_gate_reset(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"first_frame", "offset_frames", NULL};
    long long first_frame = 0;
    double offset_frames = 0.0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|Ld:reset", names, &first_frame, &offset_frames) ||
        !pp_enter(self)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    const bool done = pp_range_gate_reset(pp_core(self), first_frame, offset_frames, reason);
    pp_leave(self);
    if (!done) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *range_gate_output_pulses(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"frames", NULL};
    long long frames = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L:output_pulses", names, &frames)) {
        return NULL;
    }
    if (frames < 0 || frames > PP_MAX_FRAME) {
        return PyErr_Format(PyExc_ValueError, "frames: wanted 0 to %lld, got %lld", (long long)PP_MAX_FRAME, frames);
    }
    if (!pp_enter(self)) {
        return NULL;
    }
    const size_t pulses = pp_range_gate_output_pulses(pp_core(self), (size_t)frames);
    pp_leave(self);
    return PyLong_FromSize_t(pulses);
}

static bool gate_pulses(pp_range_gate *core, PyObject *pcm_object, PyObject *echoes_object, size_t *pulses)
{
    const Py_ssize_t mics = (Py_ssize_t)pp_range_gate_mics(core);
    const Py_ssize_t bins = (Py_ssize_t)pp_range_gate_bins(core);
    const pp_buffer_wish pcm_wish = {"samples", "int32", "i l", 4, 4, 2, {PP_ANY, mics}, false};
    Py_buffer pcm;
    if (!pp_take(pcm_object, &pcm_wish, &pcm)) {
        return false;
    }
    const size_t frames = (size_t)pcm.shape[0];
    *pulses = pp_range_gate_output_pulses(core, frames);
    const pp_buffer_wish echoes_wish = {"echoes", "complex64", "Zf", 8, 4, 3, {(Py_ssize_t)*pulses, mics, bins}, true};
    Py_buffer echoes;
    if (!pp_take(echoes_object, &echoes_wish, &echoes)) {
        PyBuffer_Release(&pcm);
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_range_gate_execute(core, pcm.buf, frames, echoes.buf, *pulses);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&echoes);
    PyBuffer_Release(&pcm);
    return true;
}

static PyObject *range_gate_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", "echoes", NULL};
    PyObject *pcm = NULL;
    PyObject *echoes = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:process_into", names, &pcm, &echoes) || !pp_enter(self)) {
        return NULL;
    }
    size_t pulses = 0;
    const bool done = gate_pulses(pp_core(self), pcm, echoes, &pulses);
    pp_leave(self);
    return done ? PyLong_FromSize_t(pulses) : NULL;
}

static PyObject *range_gate_next_pulse_frame(PyObject *self, void *closure)
{
    (void)closure;
    if (!pp_enter(self)) {
        return NULL;
    }
    const int64_t frame = pp_range_gate_next_pulse_frame(pp_core(self));
    pp_leave(self);
    return PyLong_FromLongLong(frame);
}

static PyMethodDef range_gate_methods[] = {
    {"process_into", (PyCFunction)(void (*)(void))range_gate_process_into, METH_VARARGS | METH_KEYWORDS,
     range_gate_process_into_doc},
    {"output_pulses", (PyCFunction)(void (*)(void))range_gate_output_pulses, METH_VARARGS | METH_KEYWORDS,
     range_gate_output_pulses_doc},
    {"reset", (PyCFunction)(void (*)(void))range_gate_reset, METH_VARARGS | METH_KEYWORDS, range_gate_reset_doc},
    {0},
};

static PyGetSetDef range_gate_properties[] = {
    {"next_pulse_frame", range_gate_next_pulse_frame, NULL,
     "The frame, as the emission counts, at which the pulse begins that is given next.", NULL},
    {0},
};

static PyType_Slot range_gate_slots[] = {
    {Py_tp_new, range_gate_new},         {Py_tp_dealloc, range_gate_dealloc},
    {Py_tp_methods, range_gate_methods}, {Py_tp_getset, range_gate_properties},
    {Py_tp_doc, (void *)range_gate_doc}, {0, NULL},
};

PyType_Spec pp_range_gate_type = {
    .name = "appliance.dsp._core.RangeGate",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = range_gate_slots,
};
