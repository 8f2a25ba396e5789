/* chirp: the Python side. */

#include <string.h>

#include "binding.h"
#include "chirp.h"

static const char chirp_doc[] =
    "ChirpSynthesiser(*, rate_hz, outputs, max_amplitude, start_hz, stop_hz, pulse_s, fade_s)\n--\n\n"
    "Short linear chirps, added to a stream that has something else in it already.\n\n"
    "Args:\n"
    "    rate_hz: 192000 or 96000.\n"
    "    outputs: 1 to 8; all get the same pulses.\n"
    "    max_amplitude: above 0 to 1.0 of full scale; no sample leaves further from 0.\n"
    "    start_hz: 34000 to 46000.\n"
    "    stop_hz: 34000 to 46000, at least 5000 from start_hz.\n"
    "    pulse_s: 0.005 to 0.04, rounded to frames.\n"
    "    fade_s: 0.001 to 0.002, the length of the sine-squared fade at both ends.\n\n"
    "Raises:\n"
    "    ValueError: an argument is out of range.\n"
    "    RuntimeError: a method was called while another thread is in one.";

static const char chirp_begin_doc[] =
    "begin($self, /, amplitude)\n--\n\n"
    "Let a pulse begin with the next frame.\n\n"
    "Args:\n"
    "    amplitude: of full scale; above max_amplitude it becomes max_amplitude.\n\n"
    "Raises:\n"
    "    ValueError: the amplitude is out of range, or a pulse is not over; nothing changed.";

static const char chirp_process_into_doc[] =
    "process_into($self, /, samples)\n--\n\n"
    "Add the pulse under way to `samples` int32 [frames, outputs], C-contiguous, limited.\n\n"
    "Raises:\n"
    "    TypeError: the type of the buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static const char chirp_pulse_into_doc[] =
    "pulse_into($self, /, pulse)\n--\n\n"
    "Fill `pulse` float32 [pulse_frames] with one pulse of amplitude 1.\n\n"
    "Raises:\n"
    "    TypeError: the type of the buffer is another one.\n"
    "    ValueError: the shape or memory layout is another one.";

static void chirp_destroy(void *core)
{
    pp_chirp_destroy(core);
}

static PyObject *chirp_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"rate_hz", "outputs", "max_amplitude", "start_hz", "stop_hz", "pulse_s", "fade_s", NULL};
    pp_chirp_spec spec = {0};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "$iiddddd:ChirpSynthesiser", names, &spec.rate_hz, &spec.outputs,
                                     &spec.max_amplitude, &spec.start_hz, &spec.stop_hz, &spec.pulse_s,
                                     &spec.fade_s)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    return pp_wrap(type, pp_chirp_create(&spec, reason), chirp_destroy, reason);
}

static void chirp_dealloc(PyObject *self)
{
    pp_unwrap(self, chirp_destroy);
}

static PyObject *chirp_begin(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"amplitude", NULL};
    double amplitude = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "d:begin", names, &amplitude) || !pp_enter(self)) {
        return NULL;
    }
    char reason[PP_REASON_BYTES];
    const bool begun = pp_chirp_begin(pp_core(self), amplitude, reason);
    pp_leave(self);
    if (!begun) {
        PyErr_SetString(PyExc_ValueError, reason);
        return NULL;
    }
    Py_RETURN_NONE;
}

static bool add_pulse(pp_chirp *core, PyObject *object)
{
    const pp_buffer_wish wish = {"samples", "int32", "i l", 4, 4, 2, {PP_ANY, (Py_ssize_t)pp_chirp_outputs(core)}, true};
    Py_buffer samples;
    if (!pp_take(object, &wish, &samples)) {
        return false;
    }
    Py_BEGIN_ALLOW_THREADS
    pp_chirp_execute(core, samples.buf, (size_t)samples.shape[0]);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&samples);
    return true;
}

static bool copy_pulse(pp_chirp *core, PyObject *object)
{
    const size_t frames = pp_chirp_pulse_frames(core);
    const pp_buffer_wish wish = {"pulse", "float32", "f", 4, 4, 1, {(Py_ssize_t)frames}, true};
    Py_buffer pulse;
    if (!pp_take(object, &wish, &pulse)) {
        return false;
    }
    memcpy(pulse.buf, pp_chirp_pulse(core), frames * sizeof(float));
    PyBuffer_Release(&pulse);
    return true;
}

/* One buffer argument, handed to `work` while no other thread is inside. */
static PyObject *with_buffer(PyObject *self, PyObject *args, PyObject *kwargs, char **names, const char *format,
                             bool (*work)(pp_chirp *, PyObject *))
{
    PyObject *buffer = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &buffer) || !pp_enter(self)) {
        return NULL;
    }
    const bool done = work(pp_core(self), buffer);
    pp_leave(self);
    if (!done) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *chirp_process_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"samples", NULL};
    return with_buffer(self, args, kwargs, names, "O:process_into", add_pulse);
}

static PyObject *chirp_pulse_into(PyObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"pulse", NULL};
    return with_buffer(self, args, kwargs, names, "O:pulse_into", copy_pulse);
}

static PyObject *chirp_reset(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (!pp_enter(self)) {
        return NULL;
    }
    pp_chirp_reset(pp_core(self));
    pp_leave(self);
    Py_RETURN_NONE;
}

static PyObject *count_of(PyObject *self, size_t (*count)(const pp_chirp *))
{
    if (!pp_enter(self)) {
        return NULL;
    }
    const size_t frames = count(pp_core(self));
    pp_leave(self);
    return PyLong_FromSize_t(frames);
}

static PyObject *chirp_pulse_frames(PyObject *self, void *closure)
{
    (void)closure;
    return count_of(self, pp_chirp_pulse_frames);
}

static PyObject *chirp_frames_left(PyObject *self, void *closure)
{
    (void)closure;
    return count_of(self, pp_chirp_frames_left);
}

PyDoc_STRVAR(chirp_reset_doc, "reset($self, /)\n--\n\nSilence at once, as when new.");

static PyMethodDef chirp_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))chirp_begin, METH_VARARGS | METH_KEYWORDS, chirp_begin_doc},
    {"process_into", (PyCFunction)(void (*)(void))chirp_process_into, METH_VARARGS | METH_KEYWORDS,
     chirp_process_into_doc},
    {"pulse_into", (PyCFunction)(void (*)(void))chirp_pulse_into, METH_VARARGS | METH_KEYWORDS, chirp_pulse_into_doc},
    {"reset", chirp_reset, METH_NOARGS, chirp_reset_doc},
    {0},
};

static PyGetSetDef chirp_properties[] = {
    {"pulse_frames", chirp_pulse_frames, NULL, "Length of a pulse.", NULL},
    {"frames_left", chirp_frames_left, NULL, "Frames until the pulse under way is over; 0 when none is.", NULL},
    {0},
};

static PyType_Slot chirp_slots[] = {
    {Py_tp_new, chirp_new},         {Py_tp_dealloc, chirp_dealloc},
    {Py_tp_methods, chirp_methods}, {Py_tp_getset, chirp_properties},
    {Py_tp_doc, (void *)chirp_doc}, {0, NULL},
};

PyType_Spec pp_chirp_type = {
    .name = "appliance.dsp._core.ChirpSynthesiser",
    .basicsize = sizeof(pp_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = chirp_slots,
};
